"""What a machine does with this package: numerics, training, several GPUs; printed by `linkgan selftest`."""
