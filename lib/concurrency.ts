/**
 * Work on many things, a few at a time.
 *
 * @module
 */

/**
 * The results of `work` for each item, in the order of the items; at most `limit` are worked on at
 * the same time. The first failure is passed on, and nothing new is begun after it.
 */
export async function mapAtMost<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
  { limit }: { readonly limit: number },
): Promise<R[]> {
  const results: R[] = new Array(items.length);
  let failed = false;
  const queue = items.entries();
  const workThrough = async () => {
    for (const [i, item] of queue) {
      if (failed) return;
      results[i] = await work(item);
    }
  };
  const workers = Array.from({ length: Math.min(limit, items.length) }, workThrough);
  await Promise.all(workers).finally(() => failed = true);
  return results;
}
