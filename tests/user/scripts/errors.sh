# what the shell says when it cannot do as told, and the status it leaves
nosuch; echo $?
./nosuch; echo $?
mkdir d; ./d; echo $?
echo text > f; ./f; echo $?
cat < absent; echo $?
echo > d; echo $?
cd absent; echo $?
sh -c 'kill -TERM $$'; echo $?
sh -c 'kill -SEGV $$'; echo $?
sh -c 'kill -INT $$'; echo $?
echo a && ; echo b
echo $?
| cat
echo >
sh -c 'exit 300'; echo $?
sh -c "echo 'open"; echo $?
sh absent.sh; echo $?
exit 5
echo not reached
