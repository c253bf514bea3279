import { render } from 'preact';
import { App } from './app.tsx';
import { beginSession } from './lib/session.ts';
import './style/base.css';
import './style/parts.css';
import './style/screens.css';

const root = document.getElementById('app');
if (root === null) throw new Error('the page has no place for the dashboard');
render(<App />, root);
void beginSession();
