/**
 * Who is killed when, and when it is started again.
 *
 * @module
 */

/** Second of a minute at which a replica and a volume server are killed, and a gateway is. */
const [PAIR, GATEWAY] = [10, 25];

/** Half a minute later it is started again. */
const DOWN = 30;

/** How many there are to be killed in turn */
export interface Members {
  readonly replicas: number;
  readonly volumeServers: number;
  readonly gateways: number;
}

/** Something done to a member */
export interface Deed extends Kill {
  readonly act: "kill" | "start";
}

/** Who, and when */
interface Kill {
  /** Since the beginning */
  readonly second: number;
  readonly of: keyof Members;
  readonly index: number;
}

/**
 * Each minute one of each kind, never two of one kind at a time, and the replica and the volume
 * server not always in the same pair.
 */
export function deedsOf(minutes: number, members: Members): Deed[] {
  const { replicas, volumeServers, gateways } = members;
  const kills = [...Array(Math.ceil(minutes)).keys()].flatMap((minute): Kill[] => {
    const shifted = minute + Math.floor(minute / replicas);
    const second = minute * 60;
    return [
      { second: second + PAIR, of: "replicas", index: minute % replicas },
      { second: second + PAIR, of: "volumeServers", index: shifted % volumeServers },
      { second: second + GATEWAY, of: "gateways", index: minute % gateways },
    ];
  });
  return kills.filter(({ second }) => second < minutes * 60)
    .flatMap((kill): Deed[] => [
      { ...kill, act: "kill" },
      { ...kill, act: "start", second: kill.second + DOWN },
    ])
    .sort((a, b) => a.second - b.second);
}
