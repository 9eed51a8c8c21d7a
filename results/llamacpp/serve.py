"""Serve a GGUF file with llama.cpp's own server: python serve.py MODEL.gguf [PORT]. Needs `pip install xllamacpp`."""

import signal
import sys

import xllamacpp

parameters = xllamacpp.CommonParams()
parameters.model.path = sys.argv[1]
parameters.port = int(sys.argv[2]) if len(sys.argv) > 2 else 8080
parameters.n_ctx, parameters.n_parallel = 16384, 1
parameters.cpuparams.n_threads = 1
server = xllamacpp.Server(parameters)
print(server.listening_address, flush=True)
signal.pause()
