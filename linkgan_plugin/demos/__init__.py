"""Demos on the embedded hosts: data, parallel training of networks, evaluation, images and a report."""
