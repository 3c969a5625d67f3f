/* signals.c - a clean end: no temporary file stays behind when a signal ends the process */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "cli/cli_int.h"

static void clean_and_die(int sig)
{
    um_outfile_unlink_all();
    (void)signal(sig, SIG_DFL);
    (void)raise(sig); /* delivered when this handler returns: the parent sees the true cause */
}

/* A descriptor that was closed by the caller would be given to the next file opened, and messages
 * would land in it. The wrong direction on purpose: using it stays an error. */
static void fill_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

void um_cli_signals(void)
{
    static const int sig[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };

    fill_descriptors();
    (void)signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error that names it */
    for (size_t i = 0; i < sizeof sig / sizeof sig[0]; i++) {
        struct sigaction sa = { 0 };

        if (sigaction(sig[i], NULL, &sa) != 0 || sa.sa_handler != SIG_DFL)
            continue; /* ignored (nohup), or the tool has its own */
        sa.sa_handler = clean_and_die;
        sa.sa_flags   = SA_RESTART;
        (void)sigaction(sig[i], &sa, NULL);
    }
}

static volatile sig_atomic_t asked;

static void ask(int sig)
{
    (void)sig;
    asked = 1;
}

void um_stop_on_signal(void)
{
    static const int       sig[] = { SIGTERM, SIGINT, SIGUSR1 };
    const struct sigaction sa    = { .sa_handler = ask, .sa_flags = SA_RESTART };
    struct sigaction       old;

    for (size_t i = 0; i < sizeof sig / sizeof sig[0]; i++)
        if (sigaction(sig[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            (void)sigaction(sig[i], &sa, NULL);
}

bool um_stop_asked(void)
{
    return asked != 0;
}
