"""WebGPU devices, tensors, pipelines and recorded programs; nothing about models."""
