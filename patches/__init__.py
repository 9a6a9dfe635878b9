"""The insertions of `linkgan patch` and `linkgan run`: one data file per host family, without code of the host."""
