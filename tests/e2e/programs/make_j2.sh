# SPDX-License-Identifier: Apache-2.0
# Needs: make gcc
set -e
d=$(mktemp -d); cd "$d"
for i in $(seq 1 50); do printf 'int f%d(int x) { return x + %d; }\n' $i $i >f$i.c; done
{ for i in $(seq 1 50); do echo "int f$i(int);"; done; echo '#include <stdio.h>'; echo 'int main(void) { int s = 0;'; for i in $(seq 1 50); do echo "s = f$i(s);"; done; echo 'printf("%d\n", s); return 0; }'; } >main.c
printf 'OBJ = $(patsubst %%.c,%%.o,$(wildcard *.c))\nprog: $(OBJ)\n\t@$(CC) -o $@ $(OBJ)\n%%.o: %%.c\n\t@$(CC) -c -o $@ $<\nclean:\n\trm -f *.o prog\n' >Makefile
make -s -j2; ./prog; ls *.o | wc -l
make -s -j2; touch f7.c; make -n | grep -c 'f7.o'
make -s clean; ls | wc -l
make nothing 2>/dev/null || echo "make failed: $?"
cd /; rm -rf "$d"
