/** The version of this program, put in when it is built. */

declare const __DOCKNET_VERSION__: string | undefined;

export const CLIENT_VERSION = typeof __DOCKNET_VERSION__ === "string" ? __DOCKNET_VERSION__ : "0.0.0-source";
