module satstile/tests/peers/btcd

go 1.26

require (
	github.com/btcsuite/btcd v0.26.2
)
