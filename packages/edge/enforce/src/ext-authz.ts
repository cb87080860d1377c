export { type ExtAuthz, openExtAuthz } from './ext-authz/ext-authz.ts'
export { type CheckRoute, type ExtAuthzOptions } from './ext-authz/ext-authz-options.ts'
export { extensionKeys } from './ext-authz/route-choice.ts'
