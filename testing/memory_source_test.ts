import { MemorySource } from "./memory_source.ts";
import { testSource } from "./source_contract.ts";

testSource("MemorySource", (files) => {
  const source = new MemorySource(files);
  return Promise.resolve({
    source,
    change: (location, content) => source.put(location, content),
    remove: (location) => source.remove(location),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
});
