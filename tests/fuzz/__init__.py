"""Model-based runs: random worlds, random people and bad weather, and an oracle that knows the truth.

`worldmaking` draws a world, `weather` and `people` what happens in it, `turns` lets threads run in an order that the
seed alone decides, `safety` finds two sides that were written to, `oracle` judges each command by the truth, and
`runner` plays runs and counts. A run is reproduced by its seed: `make fuzz SEED=… RUNS=1`.
"""
