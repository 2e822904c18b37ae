"""Why a model failed, as data: found in TorchServe's log or in a traceback, and put into words in one place."""
