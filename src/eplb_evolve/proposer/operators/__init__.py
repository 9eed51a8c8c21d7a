"""Program transformations, by theme. `registry.OPERATORS` lists them all."""
