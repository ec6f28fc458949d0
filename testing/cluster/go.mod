// Builds SeaweedFS as it is, with what its own go.mod replaces: replacements of a dependency do
// not count. `deno task test:cluster` does it where no `weed` is installed; by hand, in a copy of
// this file's folder:
//
//	go build -mod=mod github.com/seaweedfs/seaweedfs/weed
module zipferry/testing/cluster

go 1.26.6

require github.com/seaweedfs/seaweedfs v0.0.0-20261109003541-7506e5f91cd6

replace github.com/tyler-smith/go-bip39 => github.com/cosmos/go-bip39 v1.0.0

tool github.com/seaweedfs/seaweedfs/weed
