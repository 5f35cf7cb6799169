# the small programs
echo -n no newline; echo
mkdir -p a/b/c; touch a/x a/.hidden; ls a; ls -a a; ls a/x a/b
cp a/x copy; echo content > a/x; cp a/x a/b; cat a/b/x
rm a; echo $?
rm -r a; ls a
rm absent; rm -f absent; echo $?
mkdir copy; rm copy
echo 'one two
three
four' > f
head -n 2 f; head -1 f; tail -n 1 f; tail -2 f; wc f; wc -lw f; cat f f | wc -c
grep e f; grep -v e f; grep -c e f; grep -i THREE f; grep -q zzz f; echo $?; grep one f f; grep x absent; echo $?
echo 0123456789abcdefghi | hexdump -C
kill -FOO 1; kill -TERM; kill -0 $$; echo $?
kill -l | head -2
sleep x
ls -z
insmod; echo $?
insmod nope.ko; echo $?
mkdir dir.ko; insmod dir.ko; echo $?
rmmod; echo $?
modinfo; modinfo nope.ko; modinfo f; echo $?
true; echo $?; false; echo $?
uname -z
ls -l f
