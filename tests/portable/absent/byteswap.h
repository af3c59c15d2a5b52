/* SPDX-License-Identifier: LGPL-2.1-or-later */
#error "this header is of Linux: <byteswap.h>"
