# SPDX-License-Identifier: Apache-2.0
# Needs: perl
exec perl -e '
use strict; use warnings; use POSIX qw(:sys_wait_h); use File::Temp qw(tempdir); use File::Find; use IPC::Open2; use Time::HiRes qw(sleep alarm);
my $d = tempdir(CLEANUP => 1);
for my $i (1..20) { open(my $f, ">", "$d/f$i") or die; print $f "line $_\n" for 1..$i; close $f; }
my $n = 0; find(sub { $n++ if -f }, $d); print "files $n\n";
open(my $p, "-|", "sort -rn | head -3 <<E\n1\n3\n2\nE\n") or die; print <$p>; close $p;
my $pid = open2(my $o, my $i, "tr a-z A-Z"); print $i "open2\n"; close $i; print <$o>; waitpid $pid, 0; print $? >> 8, "\n";
my %h; $h{$_ % 7}++ for 1..1000; print join(",", map { "$_=$h{$_}" } sort keys %h), "\n";
$SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 0.05; sleep 5; }; print "caught $@";
my @k; for my $c (1..3) { my $q = fork; if (!$q) { exit $c } push @k, $q } for (@k) { waitpid $_, 0; print $? >> 8, " " } print "\n";
local $SIG{CHLD} = sub { 1 while waitpid(-1, WNOHANG) > 0 }; system("true"); print "system ", $? , "\n";
my $s = join "", map { chr(65 + $_ % 26) } 1..100000; my $m = () = $s =~ /ABC/g; print "matches $m\n";
print sprintf("%.6f %s %s\n", atan2(1,1)*4, scalar(localtime(0)) =~ /19(69|70)/ ? "epoch" : "no", (stat "$d/f20")[7]); exit 3;'
