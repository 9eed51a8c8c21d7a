"""What can be known about a program without running it."""
