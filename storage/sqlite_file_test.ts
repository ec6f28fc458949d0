import assert from "node:assert/strict";
import { run } from "../testing/tools.ts";
import { makeTree } from "../testing/tree.ts";

const PROCESSES = 4;
const FILES = 40;

/** Opens one file after the other, each at a moment that all processes know */
const OPEN_ALL = `
  import { openSqliteFile } from ${JSON.stringify(import.meta.resolve("./sqlite_file.ts"))};
  const [folder, from] = Deno.args;
  const schema = { version: 1, tables: "CREATE TABLE a (b INTEGER);", describeOther: String };
  for (let i = 0; i < ${FILES}; i++) {
    while (Date.now() < Number(from) + i * 25);
    const database = openSqliteFile(folder + "/" + i + ".db", schema);
    database.exec("INSERT INTO a VALUES (1)");
    database.close();
  }
`;

Deno.test("openSqliteFile(): processes that make a file at the same time all have it", async () => {
  await using tree = await makeTree({ "open.ts": OPEN_ALL });
  const args = ["run", "--allow-all", "--no-check", tree.join("open.ts"), tree.path];
  const from = Date.now() + 2000;
  const ended = await Promise.all(
    Array.from({ length: PROCESSES }, () => run(Deno.execPath(), [...args, `${from}`])),
  );
  for (const { code, stderr } of ended) assert.equal(code, 0, stderr);
});
