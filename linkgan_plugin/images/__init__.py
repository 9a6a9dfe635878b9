"""8-bit images: conversion from tensors, drawing, and PNG files."""
