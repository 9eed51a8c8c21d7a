"""Search for faster expert-parallelism load balancers, on recorded expert-load traces, with an honest clock."""

__version__ = "0.1.0"
