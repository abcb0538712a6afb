# Two commands do all set-up from a clean clone: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= ../shared/data
# one process for each core, with one thread; the tests of a file share what they prepared;
# the files in the order of tests/conftest.py
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

.PHONY: always demo test lint docs cases nightly sbom audit clean model phase-model walls-model focus-models burst-model benchmark \
  reproduction reproduction-report

demo: $(VENV)/.installed
	$(BIN)/seamwise demo -o demo-output

test: lint
	$(PYTEST)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check src apps tests benchmarks docs examples recipes reproduction
	$(BIN)/ruff format --check src apps tests benchmarks docs examples recipes reproduction
	$(BIN)/mypy

# the documentation as a site, in build/site: open build/site/index.html
docs: $(VENV)/.installed-dev
	$(BIN)/python -m mkdocs build --strict

# scripts that each show one fault users met; tests/cases.txt lists those that must pass
cases: $(VENV)/.installed
	$(BIN)/python .ci/cases

# bioimageio.core wants another bioimageio.spec than ours, and an older pydantic
.core/bin/python:
	python3 -m venv .core
	.core/bin/pip install bioimageio.core==0.11.0 pydantic==2.11.10 onnxruntime==1.32.0

# nnU-Net and segmentation_models need torchvision, whose builds must fit that of torch
.nnunet/.installed: apps/nnunet/pyproject.toml constraints.txt
	python3 -m venv .nnunet
	.nnunet/bin/pip install --quiet -c constraints.txt torch
	.nnunet/bin/pip install --quiet -c constraints.txt -e . -e ./apps/nnunet \
	  segmentation-models-pytorch monai pytest
	.nnunet/bin/python tests/support/torchvision_operators.py
	touch $@

# napari and Qt; its widgets are tested on the screen of Xvfb
.napari/.installed: apps/napari/pyproject.toml constraints.txt
	python3 -m venv .napari
	.napari/bin/pip install --quiet -c constraints.txt torch
	.napari/bin/pip install --quiet -c constraints.txt -e . -e ./apps/napari pytest
	.napari/bin/pip install --quiet -c constraints.txt "napari[pyqt6]==0.9.2"
	touch $@

# the oldest versions of the packages that pyproject.toml allows, and the newest that exist; uv chooses the oldest, pip the newest
.oldest/.installed: pyproject.toml apps/web/pyproject.toml
	python3 -m venv .oldest
	.oldest/bin/pip install --quiet uv
	.oldest/bin/uv pip install --quiet --python .oldest --resolution lowest-direct -e ".[test]" -e ./apps/web
	touch $@

# made again each time, as newer versions may exist
.newest/.installed: always
	rm -rf .newest
	python3 -m venv .newest
	.newest/bin/pip install --quiet --upgrade torch
	.newest/bin/pip install --quiet --upgrade --upgrade-strategy eager -e ".[test]" -e ./apps/web
	touch $@

.tools/.installed:
	python3 -m venv .tools
	.tools/bin/pip install --quiet cyclonedx-bom pip-audit
	touch $@

# what is in the tested environment, as CycloneDX: build/sbom.json
sbom: $(VENV)/.installed .tools/.installed
	mkdir -p build
	.tools/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible -o build/sbom.json $(VENV)

# known faults of the tested versions; needs a network with a database of advisories
audit: .tools/.installed
	.tools/bin/pip-audit --strict --no-deps --disable-pip -r constraints.txt

# what takes too long for every change: all cases, the long form of the tests, every benchmark in its quick form.
# It takes hours and goes on after a failure; benchmarks/nightly.log has a line for each command.
nightly: lint .core/bin/python .napari/.installed .nnunet/.installed .oldest/.installed .newest/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[notebook]"
	DATA="$(DATA)" $(BIN)/python .ci/nightly

benchmark: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/losses.py
	$(BIN)/python benchmarks/weights.py
	$(BIN)/python benchmarks/matching.py
	$(BIN)/python benchmarks/decoding.py
	$(BIN)/python benchmarks/segment.py
	$(BIN)/python benchmarks/runtimes.py
	$(BIN)/python benchmarks/fusion.py speed

# the shipped model, from its recipe, in four runs of some hours in all; run again, it resumes. What ships had 1,250 steps more
# between the last two runs, the beginning of a longer one (benchmarks/nuclei_log.md)
model: $(VENV)/.installed
	$(BIN)/seamwise train $(DATA)/dsb2018/train --settings recipes/nuclei-2d.toml -o runs/nuclei-2d \
	  $(if $(wildcard runs/nuclei-2d/checkpoint.pt),--resume)
	$(BIN)/python recipes/nuclei_2d.py $(DATA)/dsb2018/train -o runs/nuclei-2d-first \
	  --start runs/nuclei-2d/model.safetensors $(if $(wildcard runs/nuclei-2d-first/checkpoint.pt),--resume)
	$(BIN)/python recipes/nuclei_2d.py $(DATA)/dsb2018/train -o runs/nuclei-2d-second \
	  --start runs/nuclei-2d-first/snapshot-2700.safetensors --second --steps 540 --learning-rate 2e-4 \
	  --validate-every 180 $(if $(wildcard runs/nuclei-2d-second/checkpoint.pt),--resume)
	$(BIN)/python recipes/nuclei_2d.py $(DATA)/dsb2018/train -o runs/nuclei-2d-crowds \
	  --start runs/nuclei-2d-second/snapshot-180.safetensors --crowds --average 0.998 --steps 11000 --learning-rate 1e-3 \
	  --validate-every 1000 $(if $(wildcard runs/nuclei-2d-crowds/checkpoint.pt),--resume)
	$(BIN)/python recipes/average_weights.py runs/nuclei-2d.safetensors \
	  $(foreach step,8000 9000,runs/nuclei-2d-crowds/snapshot-$(step).safetensors)
	$(BIN)/python recipes/record_range.py runs/nuclei-2d.safetensors $(DATA)/dsb2018/train
	$(BIN)/python recipes/record_activations.py runs/nuclei-2d.safetensors

# the shipped model for phase contrast, which began with nuclei-2d of commit 71e2c3d; an hour and a half on one core; run again, it resumes
phase-model: $(VENV)/.installed
	$(BIN)/python recipes/phase_2d.py $(DATA)/usiigaci/train -o runs/phase-2d-look --start nuclei-2d --leave-out small \
	  --steps 700 --validate-every 175 $(if $(wildcard runs/phase-2d-look/checkpoint.pt),--resume)
	$(BIN)/python recipes/phase_2d.py $(DATA)/usiigaci/train -o runs/phase-2d \
	  --start runs/phase-2d-look/snapshot-700.safetensors $(if $(wildcard runs/phase-2d/checkpoint.pt),--resume)
	$(BIN)/python recipes/phase_2d.py $(DATA)/usiigaci/train -o runs/phase-2d-fine --zoom 0.65 --second --steps 2500 \
	  --learning-rate 6e-4 --validate-every 500 --start runs/phase-2d/snapshot-1500.safetensors \
	  $(if $(wildcard runs/phase-2d-fine/checkpoint.pt),--resume)
	$(BIN)/python recipes/average_weights.py runs/phase-2d.safetensors \
	  $(foreach step,1500 2000 2500,runs/phase-2d-fine/snapshot-$(step).safetensors)
	$(BIN)/python recipes/record_range.py runs/phase-2d.safetensors $(DATA)/usiigaci/train

# the shipped model for stained walls in stacks, from its recipe, whose crops were smaller then (commit 71e2c3d); an hour and a half; run
# again, it resumes
walls-model: $(VENV)/.installed
	$(BIN)/python recipes/tissue_stacks.py $(DATA)/gonuclear3d/train -o runs/tissue-data
	$(BIN)/seamwise train runs/tissue-data --settings recipes/walls-3d.toml -o runs/walls-3d \
	  $(if $(wildcard runs/walls-3d/checkpoint.pt),--resume)
	$(BIN)/python recipes/stacks_3d.py walls -o runs/walls-3d-real --start runs/walls-3d/model.safetensors --stacks 12 \
	  --steps 420 --learning-rate 1.5e-3 --validate-every 70 \
	  --real $(DATA)/ovule3d/train/images/ovule.tif $(DATA)/ovule3d/train/masks/ovule.tif 0.235,0.15,0.15 \
	  $(if $(wildcard runs/walls-3d-real/checkpoint.pt),--resume)
	$(BIN)/python recipes/stacks_3d.py walls -o runs/walls-3d-second --start runs/walls-3d-real/model.safetensors \
	  --stacks 40 --steps 1600 --validate-every 200 \
	  --real $(DATA)/ovule3d/train/images/ovule.tif $(DATA)/ovule3d/train/masks/ovule.tif 0.235,0.15,0.15 \
	  $(if $(wildcard runs/walls-3d-second/checkpoint.pt),--resume)
	$(BIN)/python recipes/record_stack_range.py walls runs/walls-3d-second/snapshot-600.safetensors \
	  --real $(DATA)/ovule3d/train/images/ovule.tif $(DATA)/ovule3d/train/masks/ovule.tif 0.235,0.15,0.15

# the shipped fusion models and the weights of the method cnn; on one core an hour each for focus-seg and focus-reg,
# 24 minutes for focus-pair, ten for cnn
focus-models: $(VENV)/.installed
	for name in focus-seg focus-reg; do \
	  $(BIN)/seamwise train-fusion $(DATA)/fusion/bsds500 --settings recipes/$$name.toml -o runs/$$name \
	    --leave-out-every 4 --hold-out-every 12 $$(test -f runs/$$name/checkpoint.pt && echo --resume) || exit; \
	done
	$(BIN)/python recipes/soften.py runs/focus-seg/model.safetensors $(DATA)/fusion/bsds500 -o runs/focus-seg.safetensors
	$(BIN)/seamwise train-fusion $(DATA)/fusion/bsds500 --settings recipes/focus-pair.toml -o runs/focus-pair \
	  --leave-out-every 4 --hold-out-every 12 $$(test -f runs/focus-pair/checkpoint.pt && echo --resume)
	$(BIN)/python recipes/focus_cnn.py $(DATA)/fusion/bsds500 -o runs/cnn.safetensors

# the shipped model for bursts, from free pictures, in four runs of 70 minutes in all; run again, it resumes
burst-model: $(VENV)/.installed
	test -d runs/burst-pictures || $(BIN)/python recipes/focus_burst.py pictures runs/burst-pictures
	$(BIN)/python recipes/focus_burst.py train runs/burst-pictures -o runs/focus-burst-1 \
	  $(if $(wildcard runs/focus-burst-1/checkpoint.pt),--resume)
	for run in 2 3 4; do $(BIN)/python recipes/focus_burst.py train runs/burst-pictures -o runs/focus-burst-$$run --run $$run \
	  --start runs/focus-burst-$$((run - 1))/model.safetensors \
	  $$(test -f runs/focus-burst-$$run/checkpoint.pt && echo --resume) || exit 1; done

# all of reproduction/segmentation; nights on two cores; run again, it resumes
reproduction: $(VENV)/.installed
	for name in table6 table7 weak_annotation table4_5 table2_3 fig16_26 variants fig37; do \
	  $(BIN)/python reproduction/segmentation/$$name.py $(DATA) || exit; \
	done
	$(BIN)/python reproduction/segmentation/fig33_35.py

# docs/segmentation-thesis.md with its pictures, docs/fusion-thesis.md, docs/thesis.md and docs/thesis-parts.md, from the numbers that are kept
reproduction-report: $(VENV)/.installed
	$(BIN)/python reproduction/segmentation/report.py
	$(BIN)/python reproduction/segmentation/summary.py
	$(BIN)/python reproduction/fusion/fusion_page.py

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "seamwise needs Python 3.11 or newer: make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	touch $@

# torch first, in the version that was tested; the package index decides whether it is for a CPU or for CUDA (docs/install.md)
$(VENV)/.installed: $(VENV)/.python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[fast]"
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed apps/web/pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,browser]" -e ./apps/web
	touch $@

clean:
	rm -rf $(VENV) .core .napari .nnunet .oldest .newest .tools demo-output build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
