/** A member of at most one {@link SwapSet}. */
export interface Slotted {
  /** Where it stands; -1 while it is in none. Only the set changes it. */
  slot: number
}

/**
 * A set without order whose members know where they stand. For members that come and go by the million: the tables of a
 * `Map` or `Set` are replaced again and again, and each old table points to the next; once one of them has become old for
 * the garbage collector, all later ones and everything in them become old as well.
 */
export class SwapSet<Member extends Slotted> {
  readonly #members: Member[] = []

  get size(): number {
    return this.#members.length
  }

  has(member: Member): boolean {
    // An array that is asked for its element -1 looks for a property of that name, along its prototypes.
    return member.slot >= 0 && this.#members[member.slot] === member
  }

  add(member: Member): void {
    if (!this.has(member)) member.slot = this.#members.push(member) - 1
  }

  /** Says whether it was there. */
  delete(member: Member): boolean {
    if (!this.has(member)) return false
    const last = this.#members.pop()
    if (last !== undefined && last !== member) {
      this.#members[member.slot] = last
      last.slot = member.slot
    }
    member.slot = -1
    return true
  }

  /** The members of this moment: what is added or deleted meanwhile does not matter. */
  all(): readonly Member[] {
    return [...this.#members]
  }
}
