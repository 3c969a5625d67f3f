# SPDX-License-Identifier: Apache-2.0
# ablation.mk - which part of the method earns its place: pre-training runs on made-up patients, compared
# usage: make [-j2] -f pipelines/ablation.mk [SCALE=1] [DIR=ablation] [SEEDS="42 43 44"] [EPOCHS=15] [DEVICE=cpu]
#
# Result: DIR/table.md, DIR/numbers.tsv (what it was made of), and pictures. SCALE is a factor of
# the 500 patients. Interrupted, it goes on where it was, inside a run too; a changed option makes again
# what depends on it, and nothing else. After the tools themselves have changed, take another DIR.
SCALE   := 1
DIR     := ablation
SEEDS   := 42 43 44
EPOCHS  := 15
# of each tool; two runs of one thread each take an eighth less processor time than one of two
THREADS  = $(if $(filter -j%,$(MAKEFLAGS)),1,0)
# of training, encoding, probing: runs beside one another would share one GPU
DEVICE  := cpu

PATIENTS = $(shell awk 'BEGIN { printf "%d", 500 * $(SCALE) }')
PHANTOM  = um-phantom -n $(PATIENTS) --seed 42 --volume 32x96x96 --xray-size 224
XRAY     = um-preprocess --size 128
CT       = um-preprocess --size 16x64x64
TOKENIZE = um-tokenize --train-vocab 600
TRAIN    = um-train --preset phantom --norm mgca --batch 8 --lr 2e-4 --warmup 1 --text-dropout 0 --epochs $(EPOCHS)
ENCODE   = um-encode
PROBE    = um-probe --labels nodule,consolidation,effusion,cardiomegaly,pneumothorax --fractions 0.01,0.1,1 --standardize
SELECT   = um-select-slices --slices 4 --slice-size 112

# the runs: what each adds to TRAIN
RUNS := random vl vl+slices vl+distil full 2d 3d random-slices middle-slices uniform-slices separate-centres
options.random           := --epochs 0
options.vl               := --lambda-icl 0 --lambda-pcl 0 --select none
options.vl+slices        := --lambda-icl 0 --lambda-pcl 0
options.vl+distil        := --select none
options.full             :=
options.2d               := --modalities 2d
options.3d               := --modalities 3d
options.random-slices    := --select random
options.middle-slices    := --select middle
options.uniform-slices   := --select uniform
options.separate-centres := --centres separate

# those whose attention is held against the lesions
STUDENTS := random vl full
TEACHERS := full
# those whose curves are drawn together
CURVES   := vl vl+slices vl+distil full
STUDY     = $(RUNS), $(SEEDS)

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
HERE  := $(dir $(lastword $(MAKEFILE_LIST)))
BUILD ?= $(HERE)../build
export PATH := $(abspath $(BUILD)):$(PATH)

all   := $(foreach seed,$(SEEDS),$(RUNS:%=%.$(seed)))
looks := $(foreach seed,$(SEEDS),$(STUDENTS:%=%.$(seed).student) $(TEACHERS:%=%.$(seed).teacher) random.$(seed).rules)
parts   = $(subst ., ,$*)# of a name RUN.SEED or RUN.SEED.WHAT
seed   = $(word 2,$(parts))
quiet   = -q -j $(THREADS)
compute = $(quiet) --device $(DEVICE)

# every recipe begins with this: says what is made, and notes the time it took, also of a part that was cut off
step = @echo '$(@:$(DIR)/%=%)'; mkdir -p $(@D); trap 'printf "%s\t%d\n" $@ $$SECONDS >>$(DIR)/seconds.tsv' EXIT

.PHONY: table FORCE
table: $(DIR)/table.md $(if $(shell command -v gnuplot),$(DIR)/curves.png $(DIR)/full.png)

# options/NAME: the options of a step, as a file that is touched only when they change
options := $(addprefix $(DIR)/options/,PHANTOM XRAY CT TOKENIZE ENCODE PROBE SELECT)
$(options) $(DIR)/options/STUDY: $(DIR)/options/%: FORCE
	@mkdir -p $(@D)
	[ "$$(cat $@ 2>/dev/null)" = '$($*)' ] || echo '$($*)' >$@
$(RUNS:%=$(DIR)/options/run.%): $(DIR)/options/run.%: FORCE
	@mkdir -p $(@D)
	[ "$$(cat $@ 2>/dev/null)" = '$(strip $(TRAIN) $(options.$*))' ] || echo '$(strip $(TRAIN) $(options.$*))' >$@
FORCE:

# ---- data and streams; tools give a file its name when it is complete
$(DIR)/data/truth.tsv: $(DIR)/options/PHANTOM
	$(step)
	rm -rf $(@D) $(@D).part
	$(PHANTOM) $(quiet) -o $(@D).part
	mv $(@D).part $(@D)

$(DIR)/xray.raw.umt: $(DIR)/data/truth.tsv $(DIR)/options/XRAY
	$(step)
	$(XRAY) $(quiet) -o $@ $(DIR)/data/xray.tsv

$(DIR)/ct.raw.umt: $(DIR)/data/truth.tsv $(DIR)/options/CT
	$(step)
	$(CT) $(quiet) -o $@ $(DIR)/data/ct.tsv

$(DIR)/vocab.txt: $(DIR)/xray.raw.umt $(DIR)/ct.raw.umt $(DIR)/options/TOKENIZE
	$(step)
	um-cat -q --where split=train $(DIR)/xray.raw.umt $(DIR)/ct.raw.umt | $(TOKENIZE) $(quiet) -o $@

streams := $(DIR)/xray.umt $(DIR)/ct.umt
$(streams): $(DIR)/%.umt: $(DIR)/%.raw.umt $(DIR)/vocab.txt
	$(step)
	um-tokenize --vocab $(DIR)/vocab.txt $(quiet) $< | um-cat -q --drop mask -o $@

# share of each token of the test volumes that is lesion
$(DIR)/lesion.tsv: $(DIR)/ct.raw.umt $(HERE)lesion.awk
	$(step)
	um-cat -q --where split=test $< | um-show --dump -t mask | awk -v slab=4 -v patch=16 -f $(HERE)lesion.awk >$@.part
	mv $@.part $@

# ---- runs: one that was cut off goes on from its last checkpoint, unless anything it comes from is newer
$(foreach run,$(RUNS),$(eval $(SEEDS:%=$(DIR)/run/$(run).%/model.safetensors): $(DIR)/options/run.$(run)))
$(all:%=$(DIR)/run/%/model.safetensors): $(DIR)/run/%/model.safetensors: $(streams)
	$(step)
	trap : INT TERM # um-train gets them too and writes a checkpoint: wait for it
	for from in $^; do [ ! $$from -nt $(@D)/begun ] || rm -rf $(@D); done
	mkdir -p $(@D)
	[ -e $(@D)/begun ] || touch $(@D)/begun
	$(strip $(TRAIN) $(options.$(word 1,$(parts)))) --seed $(seed) $(compute) --resume -o $(@D) $(streams)
	rm -f $(@D)/ckpt-*.safetensors

# ---- encodings of all records, and what a linear probe reads from them
define encode
$(step)
$(ENCODE) -m $< --drop-input $(compute) -o $@ $(word 2,$^)
endef
$(all:%=$(DIR)/encoded/%.xray.umt) $(all:%=$(DIR)/encoded/%.ct.umt): $(DIR)/options/ENCODE
$(all:%=$(DIR)/encoded/%.xray.umt): $(DIR)/encoded/%.xray.umt: $(DIR)/run/%/model.safetensors $(DIR)/xray.umt
	$(encode)
$(all:%=$(DIR)/encoded/%.ct.umt): $(DIR)/encoded/%.ct.umt: $(DIR)/run/%/model.safetensors $(DIR)/ct.umt
	$(encode)

probes := $(all:%=$(DIR)/probe/%.xray.tsv) $(all:%=$(DIR)/probe/%.ct.tsv)
$(probes): $(DIR)/probe/%.tsv: $(DIR)/encoded/%.umt $(DIR)/options/PROBE
	$(step)
	$(PROBE) --name $* --seed $(seed) $(compute) -o $@ $<

# ---- X-ray and CT of a patient, test patients
gaps := $(all:%=$(DIR)/gap/%.tsv)
$(gaps): $(DIR)/gap/%.tsv: $(DIR)/encoded/%.xray.umt $(DIR)/encoded/%.ct.umt $(HERE)gap.awk
	$(step)
	um-cat -q --where split=test $(DIR)/encoded/$*.xray.umt >$@.xray
	um-cat -q --where split=test $(DIR)/encoded/$*.ct.umt >$@.ct
	awk -v name=$*.pairs -f $(HERE)gap.awk $(DIR)/data/xray.tsv $(DIR)/data/ct.tsv \
	    <(um-show --dump -t embedding $@.xray) <(um-show --dump -t embedding $@.ct) >$@.part
	rm $@.xray $@.ct
	mv $@.part $@

# ---- slices and attention beside the lesions, test volumes
hits = um-show --keys | awk -F '\t' -v depth=16 -v slab=4 -v name=$(1) -f $(HERE)hits.awk $(DIR)/data/truth.tsv -
define look
$(step)
um-cat -q --where split=test $(DIR)/ct.umt | $(ENCODE) -m $< --use $(1) --attention $(compute) -o $@.umt
{
    $(SELECT) $(quiet) $@.umt | $(call hits,$*.$(1))
    um-show --dump -t attention $@.umt | awk -v name=$*.$(1) -f $(HERE)attention.awk $(DIR)/lesion.tsv -
} >$@.part
rm $@.umt
mv $@.part $@
endef
looked := $(looks:%=$(DIR)/look/%.tsv)
$(looked): $(DIR)/lesion.tsv $(HERE)hits.awk $(HERE)attention.awk $(DIR)/options/SELECT $(DIR)/options/ENCODE
$(filter %.student.tsv,$(looked)): $(DIR)/look/%.student.tsv: $(DIR)/run/%/model.safetensors $(DIR)/ct.umt
	$(call look,student)
$(filter %.teacher.tsv,$(looked)): $(DIR)/look/%.teacher.tsv: $(DIR)/run/%/model.safetensors $(DIR)/ct.umt
	$(call look,teacher)
# slices by rule do not look at the attention; it says where slabs are
$(filter %.rules.tsv,$(looked)): $(DIR)/look/%.rules.tsv: $(DIR)/run/%/model.safetensors $(DIR)/ct.umt
	$(step)
	um-cat -q --where split=test $(DIR)/ct.umt | $(ENCODE) -m $< --attention $(compute) -o $@.umt
	for rule in random middle uniform; do
	    $(SELECT) --select $$rule --seed $(seed) $(quiet) $@.umt | $(call hits,$$rule-slices.$(seed).rule)
	done >$@.part
	rm $@.umt
	mv $@.part $@

# ---- the table
$(DIR)/numbers.tsv: $(probes) $(gaps) $(looked) $(HERE)numbers.awk $(DIR)/options/STUDY
	$(step)
	awk -F '\t' -f $(HERE)numbers.awk $(filter %.tsv,$^) \
	    $$(ls $(all:%=$(DIR)/run/%/valid.tsv) 2>/dev/null) >$@.part
	mv $@.part $@

$(DIR)/table.md: $(DIR)/numbers.tsv $(HERE)ablation.awk
	$(step)
	{
	    awk -F '\t' -v runs='$(RUNS)' -f $(HERE)ablation.awk $<
	    printf '\n## How it was made\n\nFrom `make -f pipelines/ablation.mk SCALE=%s EPOCHS=%s SEEDS="%s"`:\n\n' \
	        '$(SCALE)' '$(EPOCHS)' '$(SEEDS)'
	    sed -s 's/^/    /' $(options)
	    printf '\nThe runs, each with `--seed` of %s:\n\n' '$(SEEDS)'
	    for run in $(RUNS); do printf '    %-15s %s\n' "$$run" "$$(cat $(DIR)/options/run.$$run)"; done
	    printf '\nBy\n\n'
	    um-train --version | sed 's/^/    /'
	    awk -F '\t' '{ s += $$2 }
	        END { printf "    time       %d min %d s, all steps added up\n", s / 60, s % 60 }' $(DIR)/seconds.tsv
	} >$@.part
	mv $@.part $@
	cat $@

# ---- pictures: the first seed
first := $(firstword $(SEEDS))
$(DIR)/curves.png: $(DIR)/numbers.tsv
	$(step)
	um-plot --y vl,i2t_r1,cross_r1 --x epoch --size 1280x960 -o $@ $(CURVES:%=$(DIR)/run/%.$(first))

$(DIR)/full.png: $(DIR)/run/full.$(first)/model.safetensors
	$(step)
	um-plot --size 1280x960 -o $@ $(<D)
