"""From a model's reply to a program, and from that program to a reply that fits OpenEvolve's own rules."""
