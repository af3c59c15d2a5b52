/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/test/session-text.h"

const char *const SESSION_TEXT[] = {
    "guest@vm:~$ uname -sr",
    "Linux 6.1.0-21-amd64",
    "guest@vm:~$ uptime",
    " 10:42:17 up 3 days,  2:06,  1 user,  load average: 0.14, 0.22, 0.19",
    "guest@vm:~$ ls -l pictures",
    "total 18884",
    "-rw-r--r-- 1 guest guest 3180522 May 12 21:14 first-light.jpg",
    "-rw-r--r-- 1 guest guest 4022871 May 12 21:14 lake-at-dusk.jpg",
    "-rw-r--r-- 1 guest guest 2870114 May 13 08:02 nightfall.jpg",
    "-rw-r--r-- 1 guest guest 4609127 May 13 08:02 north-ridge.jpg",
    "guest@vm:~$ # each character below is one frame; each line is one more reason to draw only what changed",
    "guest@vm:~$ for i in 1 2 3; do echo \"frame $i\"; sleep 0.016; done",
    "frame 1",
    "frame 2",
    "frame 3",
    "guest@vm:~$ df -h /",
    "Filesystem      Size  Used Avail Use% Mounted on",
    "/dev/vda1        20G  6.1G   13G  33% /",
    "guest@vm:~$ ping -c 3 lighthouse",
    "PING lighthouse (192.168.7.20) 56(84) bytes of data.",
    "64 bytes from lighthouse (192.168.7.20): icmp_seq=1 ttl=64 time=0.412 ms",
    "64 bytes from lighthouse (192.168.7.20): icmp_seq=2 ttl=64 time=0.388 ms",
    "64 bytes from lighthouse (192.168.7.20): icmp_seq=3 ttl=64 time=0.401 ms",
    "guest@vm:~$ make -j2 && ./ferry --from north --to south --at 10:45",
    "cc -O2 -Wall -c ferry.c",
    "cc -O2 -Wall -c timetable.c",
    "cc -o ferry ferry.o timetable.o -lm",
    "Sandpiper leaves at 10:45, arrives 11:07, 84 seats free",
    "guest@vm:~$ date && exit",
};

const guint SESSION_TEXT_LINES = G_N_ELEMENTS(SESSION_TEXT);
