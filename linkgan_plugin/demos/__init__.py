"""The main jobs on the embedded hosts, start to report: data, networks side by side, measurements, images."""
