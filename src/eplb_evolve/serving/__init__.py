"""What a plan is worth to a server: step time from balance, cost of a rebalance, net throughput."""
