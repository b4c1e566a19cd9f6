/* SPDX-License-Identifier: Apache-2.0 */
/* timerfd. */
#ifndef ABI_LINUX_TIMERFD_H
#define ABI_LINUX_TIMERFD_H

#include "cvisor/types.h"

#define LINUX_TFD_TIMER_ABSTIME       0x1
#define LINUX_TFD_TIMER_CANCEL_ON_SET 0x2
#define LINUX_TFD_CLOEXEC             02000000
#define LINUX_TFD_NONBLOCK            04000

#define LINUX_TFD_IOC_SET_TICKS 0x40085400U

#endif
