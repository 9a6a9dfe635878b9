"""What `linkgan patch` and `linkgan run` insert into a host: one data file per host family, none of the host's code."""
