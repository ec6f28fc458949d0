import assert from "node:assert/strict";
import { accept, testWith } from "../testing/tools.ts";
import { makeTree } from "../testing/tree.ts";
import { readCheckout } from "./checkout.ts";

const GIT = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"];

testWith(["git"], "readCheckout() is the commit that git says is checked out", async () => {
  await using tree = await makeTree({ "clone/file": "1" });
  const clone = tree.join("clone");
  const git = async (folder: string, ...args: string[]) =>
    (await accept("git", [...GIT, "-C", folder, ...args])).trim();
  await git(clone, "init", "--quiet", "--initial-branch=main");
  assert.equal(await readCheckout(clone), undefined, "nothing is committed yet");
  await git(clone, "add", "file");
  await git(clone, "commit", "--quiet", "--message=1");
  const head = async (folder: string) => {
    const commit = await git(folder, "rev-parse", "HEAD");
    assert.match(commit, /^[0-9a-f]{40}$/);
    return commit;
  };
  const first = await head(clone);
  assert.equal(await readCheckout(clone), first, "a branch");

  const other = tree.join("other");
  await git(clone, "worktree", "add", "--quiet", "-b", "topic/other", other);
  await git(other, "commit", "--quiet", "--allow-empty", "--message=2");
  const second = await head(other);
  assert.notEqual(second, first);
  assert.equal(await readCheckout(other), second, "a further worktree");
  assert.equal(await readCheckout(clone), first);

  await git(clone, "pack-refs", "--all");
  assert.equal(await readCheckout(clone), first, "packed");
  assert.equal(await readCheckout(other), second, "packed, from a further worktree");
  await git(clone, "checkout", "--quiet", "--detach", second);
  assert.equal(await readCheckout(clone), second, "no branch");
});

Deno.test("readCheckout(): what is no checkout, or an odd one, has no commit", async () => {
  await using tree = await makeTree({
    "none/file": "",
    "odd/.git/HEAD": "ref: refs/heads/../../secret\n",
    "odd/.git/secret": `${"a".repeat(40)}\n`,
    "tables/.git/HEAD": "ref: refs/heads/.invalid\n",
    "text/.git/HEAD": "deadbeef\n",
    "gone/.git": "gitdir: ../nowhere\n",
    "folder/.git/HEAD/x": "",
  });
  for (const name of ["none", "odd", "tables", "text", "gone", "folder", "nowhere"]) {
    assert.equal(await readCheckout(tree.join(name)), undefined, name);
  }
});
