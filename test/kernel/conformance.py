"""Jupyter's own test of kernels, jupyter-kernel-test, on the kernel of that name: conformance.py KERNEL

Says on file 3 how each of its tests went: "passed", "skipped: why" or what failed.
"""

import json
import os
import sys
import unittest

import jupyter_kernel_test as jkt

HOST = 'import { clearOutput, display } from "../../src/engine/host"; '


class OurKernel(jkt.KernelTests):
    kernel_name = sys.argv[1]
    language_name = "typescript"
    file_extension = ".ts"
    code_hello_world = 'console.log("hello, world")'
    code_stderr = 'console.error("a warning")'
    completion_samples = [{"text": "JSON.pars", "matches": ["parse"]}, {"text": "Math.hyp", "matches": ["hypot"]}]
    complete_code_samples = ["1", "const a: number = 1", "function f() {\n  return 1\n}", "await Promise.resolve(1)"]
    incomplete_code_samples = ["function f() {", "const text = `first", "f(1,", "/* a comment"]
    invalid_code_samples = ["const = 5", "let 3 = x", "1 +* 2"]
    code_generate_error = 'throw new Error("as asked")'
    code_execute_result = [
        {"code": "6 * 7", "result": "42"},
        {"code": '"text"', "result": "text"},
        {"code": '({ [Symbol.for("Jupyter.display")]: () => ({ "text/html": "<b>1</b>" }) })', "mime": "text/html", "result": "<b>1</b>"},
    ]
    code_display_data = [{"code": HOST + 'display({ "image/svg+xml": "<svg/>", "text/plain": "a chart" })', "mime": "image/svg+xml"}]
    code_clear_output = HOST + "clearOutput(true)"
    code_inspect_sample = "JSON"
    supported_history_operations = ("tail", "range", "search")
    code_history_pattern = "6*"


class OurWelcome(jkt.IopubWelcomeTests):
    kernel_name = sys.argv[1]


class Outcomes(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.outcomes = {}

    def note(self, test, outcome):
        # A part that failed or was skipped stands, whatever its whole says.
        self.outcomes.setdefault(test._testMethodName if hasattr(test, "_testMethodName") else str(test), outcome)

    def addSuccess(self, test):
        self.note(test, "passed")

    def addSkip(self, test, reason):
        self.note(getattr(test, "test_case", test), f"skipped: {reason}")

    def addFailure(self, test, error):
        self.note(test, self._exc_info_to_string(error, test))

    addError = addFailure

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self.note(test, f"{subtest}: " + self._exc_info_to_string(error, test))


result = Outcomes()
load = unittest.defaultTestLoader.loadTestsFromTestCase
unittest.TestSuite([load(OurKernel), load(OurWelcome)]).run(result)
os.write(3, json.dumps(result.outcomes).encode())
