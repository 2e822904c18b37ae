# Every job by its short name; each target is one mardock command. `make help` lists them.

PYTHON ?= python3
MARDOCK ?= .venv/bin/mardock
ENGINE ?=
ifneq ($(ENGINE),)
export MARDOCK_ENGINE := $(ENGINE)
endif

# Variables of the targets below, with the names their users know. Those left empty fall to mardock's own defaults.
container_name ?=
cmd ?=
model_name ?= mnist
model_version ?=
model_url ?=
num_workers ?=
tserve_url ?=
models_port ?=
exp ?= $(model_name)
version ?= $(model_version)
data ?=
filetype ?=
endpoint ?=
deployment ?=
target ?=
traffic ?=

option = $(if $($(2)),$(1) $($(2)))

.DEFAULT_GOAL := help
.PHONY: help setup demo train up down status logs doctor mar register-model \
        try watch torchserve-archive torchserve-local \
        torchserve-rehearse torchserve-build torchserve-deploy torchserve-delete \
        endpoint-create endpoint-traffic endpoint-invoke endpoint-delete \
        docker-build docker-run docker-start docker-exec docker-stop docker-rm \
        serve-build serve-run serve-start serve-stop serve-rm

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

## The environment. Inside the dev container MARDOCK=mardock is set and nothing has to be installed.
ifeq ($(MARDOCK),.venv/bin/mardock)
base := .venv/.base
native := .venv/.native
# torch is needed here unless it is used in a container: asked for, or to be had since a Docker engine answers.
torch = $(if $(or $(filter docker,$(ENGINE)),$(shell test -z '$(ENGINE)' && docker version >/dev/null 2>&1 && echo docker)),$(base),$(native))
endif

.venv/.base: requirements.txt constraints.txt $(wildcard pyproject.toml)
	@$(PYTHON) scripts/create_venv.py --requirements requirements.txt
	@touch $@

.venv/.native: requirements-native.txt constraints.txt $(wildcard pyproject.toml)
	@$(PYTHON) scripts/create_venv.py --requirements requirements-native.txt
	@touch $@ .venv/.base

setup: $(native) ## Make .venv with mardock, torch and TorchServe

## The main job
demo: $(if $(filter docker,$(ENGINE)),$(base),$(native)) ## Train, archive, serve and predict the example model (ENGINE=docker: in containers)
	@$(MARDOCK) demo --engine $(or $(ENGINE),native)

train: $(torch) ## Train the model (model_name=)
	@$(MARDOCK) train $(model_name)

up: $(torch) ## Start TorchServe and register the archived models
	@$(MARDOCK) up

down: $(base) ## Stop everything that was started
	@$(MARDOCK) down

status: $(base) ## Show the server and its models
	@$(MARDOCK) status

logs: $(base) ## Follow TorchServe's logs
	@$(MARDOCK) logs --follow

doctor: $(base) ## Check this machine and say how to mend it
	@$(MARDOCK) doctor

mar: $(torch) ## Archive a model into artifacts/ (model_name= model_version=)
	@$(MARDOCK) mar $(model_name) $(call option,--version,model_version)

register-model: $(base) ## Register a model (model_name= model_url= num_workers= tserve_url= models_port=), or in Azure ML (exp= version= filetype=mar)
ifneq ($(filter-out file,$(origin exp)),)
	@$(if $(filter-out mar,$(filetype)),$(error filetype=$(filetype): only mar is registered))$(MARDOCK) deploy register $(exp) $(azure) \
	  $(call option,--version,version)
else
	@$(MARDOCK) register $(model_name) $(call option,--model-url,model_url) $(call option,--num-workers,num_workers) \
	  $(call option,--tserve-url,tserve_url) $(call option,--models-port,models_port)
endif

## One experiment at a time: exp= names a model of mardock.toml
try: $(torch) ## Run a handler without a server (exp= data=)
	@$(MARDOCK) try $(exp) $(call option,--data,data)

watch: $(torch) ## Serve every save of a handler at once (exp=)
	@$(MARDOCK) watch $(exp)

torchserve-archive: $(torch) ## Archive an experiment (exp= version=)
	@$(MARDOCK) archive $(exp) $(call option,--version,version)

torchserve-local: $(torch) ## Serve an experiment as /predictions/model, its log in this terminal (exp=)
	@$(MARDOCK) local $(exp)

torchserve-rehearse: $(base) ## Run an experiment's deployment here as its cloud would (exp= target=azureml or tir, version= data=)
	@$(MARDOCK) deploy rehearse $(exp) $(call option,--target,target) $(call option,--version,version) \
	  $(call option,--data,data)

## The same archive in Azure ML: [deploy.azureml] of mardock.toml says where
azure := --target azureml

torchserve-build: $(base) ## Build an experiment's image and push it to the registry (exp=)
	@$(MARDOCK) deploy build $(exp) $(azure)

torchserve-deploy: $(base) ## Deploy an experiment behind an endpoint (exp= version= endpoint= deployment=)
	@$(MARDOCK) deploy apply $(exp) $(azure) $(call option,--version,version) $(call option,--endpoint,endpoint) \
	  $(call option,--deployment,deployment)

torchserve-delete: $(base) ## Delete a deployment that gets no traffic (endpoint= deployment=)
	@$(if $(deployment),,$(error deployment= is missing; endpoint-delete deletes the whole endpoint))$(MARDOCK) deploy destroy $(azure) \
	  $(call option,--endpoint,endpoint) --deployment $(deployment)

endpoint-create: $(base) ## Create an online endpoint (endpoint=)
	@$(MARDOCK) deploy endpoint $(endpoint) $(azure)

endpoint-traffic: $(base) ## Share out an endpoint's traffic (endpoint= traffic='blue=90 green=10')
	@$(MARDOCK) deploy traffic $(traffic) $(azure) $(call option,--endpoint,endpoint)

endpoint-invoke: $(base) ## Send a file to an endpoint (endpoint= data= deployment=)
	@$(MARDOCK) deploy invoke $(data) $(azure) $(call option,--endpoint,endpoint) $(call option,--deployment,deployment)

endpoint-delete: $(base) ## Delete an endpoint that serves no traffic (endpoint=)
	@$(MARDOCK) deploy destroy $(azure) $(call option,--endpoint,endpoint)

## The dev container
docker-build: $(base) ## Build the dev image
	@$(MARDOCK) dev build

docker-run: $(base) ## Create and start the dev container (container_name=)
	@$(MARDOCK) dev run $(call option,--container-name,container_name)

docker-start: $(base) ## Start the stopped dev container (container_name=)
	@$(MARDOCK) dev start $(call option,--container-name,container_name)

docker-exec: export cmd := $(cmd)
docker-exec: $(base) ## Open a shell in the dev container, or run a command (cmd= container_name=)
	@$(MARDOCK) dev exec $(call option,--container-name,container_name) $(if $(cmd),-- sh -c "$$cmd")

docker-stop: $(base) ## Stop the dev container (container_name=)
	@$(MARDOCK) dev stop $(call option,--container-name,container_name)

docker-rm: $(base) ## Remove the dev container (container_name=)
	@$(MARDOCK) dev rm $(call option,--container-name,container_name)

## The TorchServe container
serve-build: $(base) ## Build the project's own TorchServe image
	@$(MARDOCK) serve build

serve-run: $(base) ## Create and start the TorchServe container (container_name=)
	@$(MARDOCK) serve run $(call option,--container-name,container_name)

serve-start: $(base) ## Start the stopped TorchServe container (container_name=)
	@$(MARDOCK) serve start $(call option,--container-name,container_name)

serve-stop: $(base) ## Stop the TorchServe container (container_name=)
	@$(MARDOCK) serve stop $(call option,--container-name,container_name)

serve-rm: $(base) ## Remove the TorchServe container (container_name=)
	@$(MARDOCK) serve rm $(call option,--container-name,container_name)

-include develop.mk
