import assert from "node:assert/strict";
import { openFiles } from "../testing/process.ts";
import { DescriptorReserve } from "./descriptors.ts";

Deno.test({
  name: "DescriptorReserve: takes, lends, lets go and takes again",
  ignore: Deno.build.os !== "linux",
  fn() {
    const count = () => openFiles(Deno.pid).filter((name) => name === "/dev/null").length;
    const before = count();
    using reserve = new DescriptorReserve();
    assert.equal(count() - before, reserve.size);
    assert.ok(reserve.size > 0);
    assert.equal(reserve.lend(() => count() - before), 0);
    assert.equal(count() - before, reserve.size);
    let told = 0;
    reserve.onRunOut(() => told++);
    reserve.runOut();
    reserve.runOut();
    assert.deepEqual([count() - before, told], [0, 1]);
    reserve.lend(() => {});
    assert.equal(count() - before, 0, "it was let go");
    assert.equal(reserve.refill(), true);
    assert.equal(count() - before, reserve.size);
  },
});
