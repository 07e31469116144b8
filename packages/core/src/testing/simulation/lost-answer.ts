/**
 * What a store throws in a simulation when it has done what it was asked and its own error path told something else: what it
 * would have answered, for the checks, and as the `cause` what the process hears instead. For harnesses that break what lies
 * below their stores.
 */
export class LostAnswer extends Error {
  readonly answer: unknown

  constructor(answer: unknown, heard: unknown) {
    super('the answer was lost', { cause: heard })
    this.name = 'LostAnswer'
    this.answer = answer
  }
}
