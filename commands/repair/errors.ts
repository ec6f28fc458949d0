/**
 * Why a file was not repaired.
 *
 * @module
 */

/** What kind of failure it is. */
export type FailureKind = "failed" | "unreachable" | "other version";

/** Thrown when a file cannot be repaired. One line, for the user. */
export class RepairError extends Error {
  /** Always `RepairError`. */
  override readonly name = "RepairError";
  /** `unreachable` if the next try may go on from here. */
  readonly kind: FailureKind;

  /** Takes the line for the user. */
  constructor(message: string, kind: FailureKind = "failed") {
    super(message);
    this.kind = kind;
  }
}
