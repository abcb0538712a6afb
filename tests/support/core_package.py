"""What bioimageio.core computes for a package, compared with its test output: for `make nightly`.

It runs in an environment of its own, because that library wants another bioimageio.spec.
"""

import sys

import numpy as np
from bioimageio.core import create_prediction_pipeline
from bioimageio.core.digest_spec import get_test_input_sample, get_test_output_sample
from bioimageio.spec import ValidationContext, load_description

with ValidationContext(perform_io_checks=False):
    description = load_description(sys.argv[1])
pipeline = create_prediction_pipeline(description)
output = pipeline.predict_sample_without_blocking(get_test_input_sample(description))
for name, expected in get_test_output_sample(description).members.items():
    actual = output.members[name].data.values
    np.testing.assert_allclose(actual, expected.data.values, atol=1e-5)
