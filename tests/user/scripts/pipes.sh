# pipelines, lists and redirections
echo one | cat | cat
echo 'b
a' > f; echo c >> f; cat < f; wc -l f
cat absent 2>&1 | wc -l
cat absent > out 2>&1; cat out
cat absent 2> err; cat err
echo lost > /dev/null
true && echo yes || echo no
false && echo no || echo yes
false || false || echo third
true || echo no && echo yes
echo a; echo b;
echo x |
  cat
pwd > where; cat where | wc -l
> empty; ls empty
false | true; echo $?
true | false; echo $?
cd d; echo $?
mkdir d; cd d; echo inside > f; cd ..; cat d/f
sleep 0.01 & wait $!; echo $?
sh -c 'exit 3' & wait $!; echo $?
false && true & wait $!; echo $?
