"""Loads TensorFlow's C library and says what it is: tensorflow.py FOLDER [LIBRARY ...], the wheel's `tensorflow` folder and NVIDIA's libraries.

The last line of stdout is JSON: release, whether it is a CUDA build (null where the library does not say), and its devices.
"""

import ctypes
import json
import os
import sys

os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"


def load(folder):
    for name in ("libtensorflow_framework.so.2", "libtensorflow_cc.so.2"):
        library = ctypes.CDLL(os.path.join(folder, name), mode=ctypes.RTLD_GLOBAL)
    return library


def open_cuda(libraries):
    """By their paths and before TensorFlow asks for them by name, as the engine does (src/engine/cuda.ts says why)."""
    for path in ["libcuda.so.1", *libraries]:
        try:
            ctypes.CDLL(path)
        except OSError:
            return  # TensorFlow then lists no GPU, and the doctor looks for the reason itself.


def function(library, name, result, *arguments):
    found = getattr(library, name)
    found.restype = result
    found.argtypes = arguments
    return found


def built_with_cuda(library):
    try:
        return function(library, "_ZN10tensorflow19IsGoogleCudaEnabledEv", ctypes.c_bool)()
    except AttributeError:
        return None


def devices(library):
    pointer, text = ctypes.c_void_p, ctypes.c_char_p
    status = function(library, "TF_NewStatus", pointer)()
    code = function(library, "TF_GetCode", ctypes.c_int, pointer)
    message = function(library, "TF_Message", text, pointer)

    def checked(value):
        if code(status) != 0:
            raise RuntimeError(message(status).decode())
        return value

    options = function(library, "TFE_NewContextOptions", pointer)()
    context = checked(function(library, "TFE_NewContext", pointer, pointer, pointer)(options, status))
    found = checked(function(library, "TFE_ContextListDevices", pointer, pointer, pointer)(context, status))
    kind = function(library, "TF_DeviceListType", text, pointer, ctypes.c_int, pointer)
    count = function(library, "TF_DeviceListCount", ctypes.c_int, pointer)(found)
    return [kind(found, i, status).decode() for i in range(count)]


def main():
    library = load(sys.argv[1])
    open_cuda(sys.argv[2:])
    version = function(library, "TF_Version", ctypes.c_char_p)().decode()
    print(json.dumps({"version": version, "cuda": built_with_cuda(library), "devices": devices(library)}), flush=True)


main()
