const wordForm = /^[\w.$-]{1,64}$/

/** A member's name for an error message: what looks unlike a name may be a secret in the wrong place. */
export function safeName(name: string): string {
  return wordForm.test(name) ? name : `(a name of ${name.length} characters)`
}
