# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# mpi.sh - for tests that start processes by mpirun: its environment, and a run with a time limit
#
# As root in a container, more ranks than cores, each free to use all of them; on this host alone, by
# shared memory; no boxes drawn around exit codes. Open MPI 4 reads OMPI_*, 5 PRTE_* as well; MPICH
# needs none. MPI keeps what it allocated until the process is gone: no search for leaks.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe
export OMPI_MCA_hwloc_base_binding_policy=none PRTE_MCA_hwloc_default_binding_policy=none
export OMPI_MCA_orte_execute_quiet=1 PRTE_MCA_prte_execute_quiet=1
export OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,vader
export ASAN_OPTIONS="detect_leaks=0 ${ASAN_OPTIONS:-}"
unset OMPI_COMM_WORLD_SIZE PMI_SIZE SLURM_STEP_NUM_TASKS PMIX_RANK

need_mpi() {
    if [ ! -e "$BUILD/libum-mpi.so" ] || ! command -v mpirun >/dev/null; then skip "no MPI"; fi
}

mpi() { # N COMMAND...: `run` of N ranks
    need_mpi
    run timeout 240 mpirun -np "$@"
}
