# The dev image with what the unit tests need, to run them on the Python and torch of the image it is built on.
ARG DEV_IMAGE
FROM ${DEV_IMAGE}
USER root
RUN pip install --no-cache-dir hypothesis pytest pytest-socket pytest-timeout responses 'cyclonedx-python-lib[json-validation]'
USER model-server
