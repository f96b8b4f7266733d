// To be imported before anything that loads the addon: this file's process uses the reactor of
// systems without epoll.
process.env['SOCKSCOPE_REACTOR'] = 'poll';
