type Detail = Readonly<Record<string, string | number>>

/** Events that an operator sees in the terminal, told as what happened and what to do. */
const sentences: Readonly<Record<string, (told: (name: string) => string) => string>> = {
  custody_passphrase_drawn: (told) =>
    `the passphrase of the private keys was drawn into ${told('file')}: keep a copy elsewhere, for without it the keys are lost`,
  custody_resealed: (told) =>
    `the private keys in ${told('folder')} are sealed with the configured passphrase now: ${told('removed')} is not needed any more and was removed`,
  custody_plain_keys_sealed: (told) =>
    `${told('count')} private keys in ${told('folder')} were in the clear and are sealed now: destroy older copies and backups of that folder`,
  rotation_activated: (told) =>
    `rotation ${told('rotation')} of ${told('use')}: the new key signs, ${told('members')} members are enrolled`,
  rotation_held: (told) =>
    `rotation ${told('rotation')} of ${told('use')} is late, and the key before goes on signing: ${told('detail')}; qip fleet shows who blocks, qip keys rollback --use ${told('use')} takes it back`,
  rotation_withdrawn: (told) =>
    `rotation ${told('rotation')} of ${told('use')} was withdrawn, the key before goes on signing: ${told('detail')}; qip keys rotations shows each`,
  rotation_rolled_back: (told) =>
    `rotation ${told('rotation')} of ${told('use')} was rolled back, the key before signs again: ${told('detail')}; look at that member before you rotate again`,
  rotation_without_way_back: (told) =>
    `rotation ${told('rotation')} of ${told('use')} should be rolled back and cannot be, the new key goes on signing: ${told('detail')}; look at that member`,
  policy_promoted: (told) =>
    `policy ${told('policy')} version ${told('version')} was promoted: ${told('detail')}`,
  policy_rolled_back: (told) =>
    `policy ${told('policy')} version ${told('version')} was rolled back, what was before is in force: ${told('detail')}; qip policy status ${told('policy')} lists who was rejected, and by which rule`,
  incident_opened: (told) =>
    `security event ${told('event')} opened incident ${told('incident')}: qip incident show ${told('incident')}`,
  incident_closed: (told) =>
    `incident ${told('incident')} was closed with its security events: qip incident show ${told('incident')}`,
  store_not_synchronous: (told) =>
    `the database acknowledges what no standby has: ${told('reason')}; configure a synchronous standby, or set store.postgres.requireSynchronous to refuse such a server`,
}

/**
 * An event of the authority for people: a sentence, and the name of the event, by which logs are searched. One that is not in the table
 * is its name and its details.
 */
export function eventText(event: string, detail: Detail): string {
  const sentence = Object.hasOwn(sentences, event) ? sentences[event] : undefined
  if (sentence === undefined) return `authority: ${event} ${JSON.stringify(detail)}`
  return `authority: ${sentence((name) => plain(detail[name]))} (${event})`
}

// Members choose their names: none of them moves the cursor of a terminal.
function plain(value: string | number | undefined): string {
  return String(value ?? '?').replaceAll(/\p{C}/gu, '?')
}
