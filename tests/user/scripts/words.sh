# quotes, variables and globs
echo plain   words
echo "a  b" 'c $X' d\ e ""
X=12 Y="two  words"
echo $X "${X}3" $X.ko '$X' \$X
echo $Y "$Y"
echo $UNSET- "$UNSET"- ${UNSET}-
echo "quoted \"inner\" \$X \\ \a"
echo 'multi
line'
touch b.ko a.ko c.txt
echo *.ko ?.txt [ab].ko nothing*.ko "*.ko" \*.ko
mkdir d; touch d/one d/two
echo d/* */one
P=*.ko; echo $P "$P"
echo a#b # a comment
echo continued \
  line
false; echo $?
echo $NOTHING | wc -c
