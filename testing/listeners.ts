/**
 * Listeners that are left behind.
 *
 * @module
 */

/** Counts the listeners of a signal from now on. */
export function countListeners(signal: AbortSignal): { readonly count: number } {
  const counted = { count: 0 };
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => (counted.count++, add(...args));
  signal.removeEventListener = (...args: Parameters<typeof remove>) => (
    counted.count--, remove(...args)
  );
  return counted;
}
