#!/bin/sh
# The go command of notebook cells. GoNB gives each notebook a module of its own, made by go mod init;
# this puts the requirements of the Tokenfuse checkout into it, so that cells use the very versions
# that Tokenfuse is built with, and need no network for them. All else is the real go command's, but
# that cells are linked without tables for debuggers (-w), which takes 0.8 s of 2.0 from the build of
# each: traces of a panic need none. The user's own -ldflags come later, and win.
GOFLAGS="-ldflags=-w${GOFLAGS:+ $GOFLAGS}"
export GOFLAGS
case "$1 $2 $3" in
"mod init gonb_"*) ;;
*) exec "$TOKENFUSE_GO" "$@" ;;
esac
"$TOKENFUSE_GO" "$@" || exit
"$TOKENFUSE_GO" mod edit -go="$(sed -n 's/^go //p' "$TOKENFUSE_CHECKOUT/go.mod")" \
	-require=tokenfuse@v0.0.0 -replace=tokenfuse="$TOKENFUSE_CHECKOUT" || exit
sed -n '/^require (/,/^)/p' "$TOKENFUSE_CHECKOUT/go.mod" >>go.mod
cp "$TOKENFUSE_CHECKOUT/go.sum" go.sum
