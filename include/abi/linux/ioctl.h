/* SPDX-License-Identifier: Apache-2.0 */
/* ioctl: the encoding of numbers; terminals, files, sockets. */
#ifndef ABI_LINUX_IOCTL_H
#define ABI_LINUX_IOCTL_H

#include "cvisor/types.h"

#define LINUX_IOC_NONE  0U
#define LINUX_IOC_WRITE 1U
#define LINUX_IOC_READ  2U
#define LINUX_IOC(dir, type, nr, size)                                                             \
    (((u32)(dir) << 30) | ((u32)(size) << 16) | ((u32)(type) << 8) | (u32)(nr))
#define LINUX_IO(type, nr)      LINUX_IOC(LINUX_IOC_NONE, type, nr, 0)
#define LINUX_IOR(type, nr, t)  LINUX_IOC(LINUX_IOC_READ, type, nr, sizeof(t))
#define LINUX_IOW(type, nr, t)  LINUX_IOC(LINUX_IOC_WRITE, type, nr, sizeof(t))
#define LINUX_IOWR(type, nr, t) LINUX_IOC(LINUX_IOC_READ | LINUX_IOC_WRITE, type, nr, sizeof(t))
#define LINUX_IOC_DIR(cmd)      (((u32)(cmd) >> 30) & 3)
#define LINUX_IOC_SIZE(cmd)     (((u32)(cmd) >> 16) & 0x3fff)
#define LINUX_IOC_TYPE(cmd)     (((u32)(cmd) >> 8) & 0xff)
#define LINUX_IOC_NR(cmd)       ((u32)(cmd)&0xff)

/* terminals and files */
#define LINUX_TCGETS          0x5401
#define LINUX_TCSETS          0x5402
#define LINUX_TCSETSW         0x5403
#define LINUX_TCSETSF         0x5404
#define LINUX_TCGETA          0x5405
#define LINUX_TCSETA          0x5406
#define LINUX_TCSETAW         0x5407
#define LINUX_TCSETAF         0x5408
#define LINUX_TCSBRK          0x5409
#define LINUX_TCXONC          0x540A
#define LINUX_TCFLSH          0x540B
#define LINUX_TIOCEXCL        0x540C
#define LINUX_TIOCNXCL        0x540D
#define LINUX_TIOCSCTTY       0x540E
#define LINUX_TIOCGPGRP       0x540F
#define LINUX_TIOCSPGRP       0x5410
#define LINUX_TIOCOUTQ        0x5411
#define LINUX_TIOCSTI         0x5412
#define LINUX_TIOCGWINSZ      0x5413
#define LINUX_TIOCSWINSZ      0x5414
#define LINUX_TIOCMGET        0x5415
#define LINUX_TIOCMBIS        0x5416
#define LINUX_TIOCMBIC        0x5417
#define LINUX_TIOCMSET        0x5418
#define LINUX_TIOCGSOFTCAR    0x5419
#define LINUX_TIOCSSOFTCAR    0x541A
#define LINUX_FIONREAD        0x541B
#define LINUX_TIOCINQ         LINUX_FIONREAD
#define LINUX_TIOCLINUX       0x541C
#define LINUX_TIOCCONS        0x541D
#define LINUX_TIOCGSERIAL     0x541E
#define LINUX_TIOCSSERIAL     0x541F
#define LINUX_TIOCPKT         0x5420
#define LINUX_FIONBIO         0x5421
#define LINUX_TIOCNOTTY       0x5422
#define LINUX_TIOCSETD        0x5423
#define LINUX_TIOCGETD        0x5424
#define LINUX_TCSBRKP         0x5425
#define LINUX_TIOCSBRK        0x5427
#define LINUX_TIOCCBRK        0x5428
#define LINUX_TIOCGSID        0x5429
#define LINUX_TCGETS2         0x802c542a
#define LINUX_TCSETS2         0x402c542b
#define LINUX_TCSETSW2        0x402c542c
#define LINUX_TCSETSF2        0x402c542d
#define LINUX_TIOCGRS485      0x542E
#define LINUX_TIOCSRS485      0x542F
#define LINUX_TIOCGPTN        0x80045430
#define LINUX_TIOCSPTLCK      0x40045431
#define LINUX_TIOCGDEV        0x80045432
#define LINUX_TCGETX          0x5432
#define LINUX_TCSETX          0x5433
#define LINUX_TCSETXF         0x5434
#define LINUX_TCSETXW         0x5435
#define LINUX_TIOCSIG         0x40045436
#define LINUX_TIOCVHANGUP     0x5437
#define LINUX_TIOCGPKT        0x80045438
#define LINUX_TIOCGPTLCK      0x80045439
#define LINUX_TIOCGEXCL       0x80045440
#define LINUX_TIOCGPTPEER     0x5441
#define LINUX_FIONCLEX        0x5450
#define LINUX_FIOCLEX         0x5451
#define LINUX_FIOASYNC        0x5452
#define LINUX_TIOCSERCONFIG   0x5453
#define LINUX_TIOCSERGWILD    0x5454
#define LINUX_TIOCSERSWILD    0x5455
#define LINUX_TIOCGLCKTRMIOS  0x5456
#define LINUX_TIOCSLCKTRMIOS  0x5457
#define LINUX_TIOCSERGSTRUCT  0x5458
#define LINUX_TIOCSERGETLSR   0x5459
#define LINUX_TIOCSERGETMULTI 0x545A
#define LINUX_TIOCSERSETMULTI 0x545B
#define LINUX_TIOCMIWAIT      0x545C
#define LINUX_TIOCGICOUNT     0x545D
#define LINUX_FIOQSIZE        0x5460
#define LINUX_TIOCSER_TEMT    0x01

/* TIOCPKT */
#define LINUX_TIOCPKT_DATA       0
#define LINUX_TIOCPKT_FLUSHREAD  1
#define LINUX_TIOCPKT_FLUSHWRITE 2
#define LINUX_TIOCPKT_STOP       4
#define LINUX_TIOCPKT_START      8
#define LINUX_TIOCPKT_NOSTOP     16
#define LINUX_TIOCPKT_DOSTOP     32
#define LINUX_TIOCPKT_IOCTL      64

/* filesystems */
#define LINUX_FIBMAP            0x1
#define LINUX_FIGETBSZ          0x2
#define LINUX_FIFREEZE          0xc0045877
#define LINUX_FITHAW            0xc0045878
#define LINUX_FITRIM            0xc0185879
#define LINUX_FICLONE           0x40049409
#define LINUX_FICLONERANGE      0x4020940d
#define LINUX_FIDEDUPERANGE     0xc0189436
#define LINUX_FS_IOC_GETFLAGS   0x80086601
#define LINUX_FS_IOC_SETFLAGS   0x40086602
#define LINUX_FS_IOC_GETVERSION 0x80087601
#define LINUX_FS_IOC_FSGETXATTR 0x801c581f
#define LINUX_FS_IOC_FSSETXATTR 0x401c5820
#define LINUX_BLKGETSIZE        0x1260
#define LINUX_BLKGETSIZE64      0x80081272
#define LINUX_BLKSSZGET         0x1268

/* inode flags of FS_IOC_GETFLAGS */
#define LINUX_FS_SECRM_FL        0x00000001
#define LINUX_FS_UNRM_FL         0x00000002
#define LINUX_FS_COMPR_FL        0x00000004
#define LINUX_FS_SYNC_FL         0x00000008
#define LINUX_FS_IMMUTABLE_FL    0x00000010
#define LINUX_FS_APPEND_FL       0x00000020
#define LINUX_FS_NODUMP_FL       0x00000040
#define LINUX_FS_NOATIME_FL      0x00000080
#define LINUX_FS_DIRTY_FL        0x00000100
#define LINUX_FS_COMPRBLK_FL     0x00000200
#define LINUX_FS_NOCOMP_FL       0x00000400
#define LINUX_FS_ENCRYPT_FL      0x00000800
#define LINUX_FS_BTREE_FL        0x00001000
#define LINUX_FS_INDEX_FL        0x00001000
#define LINUX_FS_IMAGIC_FL       0x00002000
#define LINUX_FS_JOURNAL_DATA_FL 0x00004000
#define LINUX_FS_NOTAIL_FL       0x00008000
#define LINUX_FS_DIRSYNC_FL      0x00010000
#define LINUX_FS_TOPDIR_FL       0x00020000
#define LINUX_FS_HUGE_FILE_FL    0x00040000
#define LINUX_FS_EXTENT_FL       0x00080000
#define LINUX_FS_VERITY_FL       0x00100000
#define LINUX_FS_EA_INODE_FL     0x00200000
#define LINUX_FS_EOFBLOCKS_FL    0x00400000
#define LINUX_FS_NOCOW_FL        0x00800000
#define LINUX_FS_DAX_FL          0x02000000
#define LINUX_FS_INLINE_DATA_FL  0x10000000
#define LINUX_FS_PROJINHERIT_FL  0x20000000
#define LINUX_FS_CASEFOLD_FL     0x40000000
#define LINUX_FS_RESERVED_FL     0x80000000

/* sockets */
#define LINUX_FIOSETOWN          0x8901
#define LINUX_SIOCSPGRP          0x8902
#define LINUX_FIOGETOWN          0x8903
#define LINUX_SIOCGPGRP          0x8904
#define LINUX_SIOCATMARK         0x8905
#define LINUX_SIOCGSTAMP_OLD     0x8906
#define LINUX_SIOCGSTAMPNS_OLD   0x8907
#define LINUX_SIOCADDRT          0x890B
#define LINUX_SIOCDELRT          0x890C
#define LINUX_SIOCRTMSG          0x890D
#define LINUX_SIOCGIFNAME        0x8910
#define LINUX_SIOCSIFLINK        0x8911
#define LINUX_SIOCGIFCONF        0x8912
#define LINUX_SIOCGIFFLAGS       0x8913
#define LINUX_SIOCSIFFLAGS       0x8914
#define LINUX_SIOCGIFADDR        0x8915
#define LINUX_SIOCSIFADDR        0x8916
#define LINUX_SIOCGIFDSTADDR     0x8917
#define LINUX_SIOCSIFDSTADDR     0x8918
#define LINUX_SIOCGIFBRDADDR     0x8919
#define LINUX_SIOCSIFBRDADDR     0x891a
#define LINUX_SIOCGIFNETMASK     0x891b
#define LINUX_SIOCSIFNETMASK     0x891c
#define LINUX_SIOCGIFMETRIC      0x891d
#define LINUX_SIOCSIFMETRIC      0x891e
#define LINUX_SIOCGIFMEM         0x891f
#define LINUX_SIOCSIFMEM         0x8920
#define LINUX_SIOCGIFMTU         0x8921
#define LINUX_SIOCSIFMTU         0x8922
#define LINUX_SIOCSIFNAME        0x8923
#define LINUX_SIOCSIFHWADDR      0x8924
#define LINUX_SIOCGIFENCAP       0x8925
#define LINUX_SIOCSIFENCAP       0x8926
#define LINUX_SIOCGIFHWADDR      0x8927
#define LINUX_SIOCGIFSLAVE       0x8929
#define LINUX_SIOCSIFSLAVE       0x8930
#define LINUX_SIOCADDMULTI       0x8931
#define LINUX_SIOCDELMULTI       0x8932
#define LINUX_SIOCGIFINDEX       0x8933
#define LINUX_SIOCSIFPFLAGS      0x8934
#define LINUX_SIOCGIFPFLAGS      0x8935
#define LINUX_SIOCDIFADDR        0x8936
#define LINUX_SIOCSIFHWBROADCAST 0x8937
#define LINUX_SIOCGIFCOUNT       0x8938
#define LINUX_SIOCGIFBR          0x8940
#define LINUX_SIOCSIFBR          0x8941
#define LINUX_SIOCGIFTXQLEN      0x8942
#define LINUX_SIOCSIFTXQLEN      0x8943
#define LINUX_SIOCETHTOOL        0x8946
#define LINUX_SIOCGMIIPHY        0x8947
#define LINUX_SIOCGMIIREG        0x8948
#define LINUX_SIOCSMIIREG        0x8949
#define LINUX_SIOCGSKNS          0x894C
#define LINUX_SIOCDARP           0x8953
#define LINUX_SIOCGARP           0x8954
#define LINUX_SIOCSARP           0x8955
#define LINUX_SIOCDRARP          0x8960
#define LINUX_SIOCGRARP          0x8961
#define LINUX_SIOCSRARP          0x8962
#define LINUX_SIOCGIFMAP         0x8970
#define LINUX_SIOCSIFMAP         0x8971
#define LINUX_SIOCADDDLCI        0x8980
#define LINUX_SIOCDELDLCI        0x8981
#define LINUX_SIOCGIFVLAN        0x8982
#define LINUX_SIOCSIFVLAN        0x8983
#define LINUX_SIOCINQ            LINUX_FIONREAD
#define LINUX_SIOCOUTQ           LINUX_TIOCOUTQ

#endif
